package javax.annotation;

/** The annotation of generated code, which Java itself no longer has. */
public @interface Generated {
    String[] value();

    String comments() default "";
}
