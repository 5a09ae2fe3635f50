import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;

/** Posts a photo with the JDK's own client: java Score.java ADDRESS PHOTO HTTP_2|HTTP_1_1; prints a status a call. */
public class Score {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.valueOf(arguments[2])).build();
        URI score = URI.create(arguments[0] + "/v1/score?capture=fast");
        for (int call = 0; call < 2; call++) {
            var health = HttpRequest.newBuilder(URI.create(arguments[0] + "/healthz")).build();
            System.out.println(client.send(health, BodyHandlers.ofString()).statusCode());
            var whole = HttpRequest.newBuilder(score).header("Content-Type", "image/jpeg")
                .POST(BodyPublishers.ofFile(Path.of(arguments[1]))).build();
            System.out.println(client.send(whole, BodyHandlers.ofString()).statusCode());
            var stream = new java.io.FileInputStream(arguments[1]);
            var chunked = HttpRequest.newBuilder(score).header("Content-Type", "image/jpeg")
                .POST(BodyPublishers.ofInputStream(() -> stream)).build();
            System.out.println(client.send(chunked, BodyHandlers.ofString()).statusCode());
        }
    }
}
